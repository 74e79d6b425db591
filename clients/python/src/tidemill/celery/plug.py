"""What kombu loads when it is imported (the entry point `kombu.serializers`): it makes `tidemill://` a transport that
kombu knows, and gives it the serializer `tidemill`, JSON that takes sets and timedeltas too. Must stay free of imports of
Celery: kombu is only half imported here.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

from .. import codec

TRANSPORT_ALIASES["tidemill"] = "tidemill.celery.transport:Transport"
TRANSPORT_ALIASES["tidemills"] = "tidemill.celery.transport:SSLTransport"

# What `kombu.serialization.register` takes after the name.
SERIALIZER = (codec.dumps, codec.loads, "application/x-tidemill-json", "utf-8")
