"""``/api/downloads``: the file that a download prepared. Its start is in the kind's own room."""

from flask import Response

from borgui.api.answers import ErrorAnswer
from borgui.api.blueprint import api, describes
from borgui.web.sending import send_prepared


@api.get("/downloads/<int:job_id>")
@describes(
    "download_file",
    tag="download",
    content_type="application/octet-stream",
    also={410: ErrorAnswer},
)
def download_file(job_id: int) -> Response:
    """The file, once its job is completed; 409 before that, 410 when it has been removed.

    Takes Range.
    """
    return send_prepared(job_id)
