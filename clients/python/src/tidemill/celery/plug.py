"""The module that kombu loads when it is imported (the entry point `kombu.serializers`): it registers the transport
`tidemill://`, and the serializer `tidemill`: JSON with sets and timedeltas. Must not import Celery, because kombu is
only half imported here.
"""

from __future__ import annotations

from kombu.transport import TRANSPORT_ALIASES

from .. import codec

TRANSPORT_ALIASES["tidemill"] = "tidemill.celery.transport:Transport"
TRANSPORT_ALIASES["tidemills"] = "tidemill.celery.transport:SSLTransport"

# What `kombu.serialization.register` takes after the name.
SERIALIZER = (codec.dumps, codec.loads, "application/x-tidemill-json", "utf-8")
