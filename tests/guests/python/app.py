"""An endpoint in Python: GET says who answers, POST gives JSON back."""

import json
import sys

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

# wasi:io lets a blocking write take at most this many bytes.
WRITE_BYTES = 4096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        if not isinstance(request.method(), Method_Post):
            version = ".".join(map(str, sys.version_info[:2]))
            respond(response_out, 200, "text/plain", f"hello from Python {version}\n")
            return
        try:
            # JSON is UTF-8 (RFC 8259, 8.1). Left to guess, json would look for codecs that were not
            # loaded when the component was made, and a component has no files to load them from.
            value = json.loads(read(request.consume()).decode("utf-8"))
        except ValueError as error:
            respond(response_out, 400, "text/plain", f"not JSON: {error}\n")
            return
        respond(response_out, 200, "application/json", json.dumps(value))


def read(body):
    received = bytearray()
    with body.stream() as stream:
        while True:
            try:
                received += stream.blocking_read(64 << 10)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    break
                raise
    IncomingBody.finish(body)
    return bytes(received)


def respond(response_out, status, content_type, text):
    response = OutgoingResponse(
        Fields.from_list([("content-type", content_type.encode())])
    )
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    payload = text.encode()
    with body.write() as stream:
        for start in range(0, len(payload), WRITE_BYTES):
            stream.blocking_write_and_flush(payload[start : start + WRITE_BYTES])
    OutgoingBody.finish(body, None)
