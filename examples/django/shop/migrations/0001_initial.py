"""The table of orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first one."""

    initial = True
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", models.TextField()),
                ("amount", models.DecimalField(decimal_places=2, max_digits=12)),
                ("invoice", models.TextField(default="")),
                ("task", models.TextField(default="")),
            ],
        ),
    ]
