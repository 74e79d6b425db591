"""The example's addresses."""

from django.urls import path

from . import views

urlpatterns = [
    path("orders", views.make_order),
    path("orders/<int:id>", views.show_order),
]
