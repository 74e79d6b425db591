"""The command of the example, a shop that writes invoices in the background (Django 6, Python 3.12 or newer).

    tidemill dev &
    pip install ./clients/python "django>=6" "psycopg[binary]"
    cd examples/django
    export DATABASE_URL=$(jq -r .database ../../.tidemill/urls.json)
    python manage.py migrate
    python manage.py tidemill_worker &
    python manage.py runserver &
    curl localhost:8000/orders -d customer=ada -d amount=12.50
    curl localhost:8000/orders/1

The server and the key come from TIDEMILL_URL and TIDEMILL_KEY.
"""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
