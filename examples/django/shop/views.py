"""The shop's pages: a request answers at once, and the invoice is written later."""

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from .models import Order
from .tasks import write_invoice


@csrf_exempt
@require_POST
@transaction.atomic
def make_order(request: HttpRequest) -> JsonResponse:
    """Stores an order and enqueues its invoice: both are there, or neither is."""
    order = Order.objects.create(customer=request.POST["customer"], amount=request.POST["amount"])
    order.task = write_invoice.enqueue(order.id).id
    order.save()
    if request.POST.get("fail"):
        raise RuntimeError("the order is undone, and so is its task")
    return JsonResponse({"id": order.id, "task": order.task}, status=202)


def show_order(request: HttpRequest, id: int) -> JsonResponse:
    """An order, and how its task stands."""
    order = get_object_or_404(Order, id=id)
    result = write_invoice.get_result(order.task)
    return JsonResponse({"customer": order.customer, "invoice": order.invoice, "task": result.status})
