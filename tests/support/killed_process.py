"""An application process that kills itself (SIGKILL) after an external call.

``python -m tests.support.killed_process PORT AT MAX_FILE_BYTES``
"""

import json
import os
import sys

import uvicorn

from app.application import create_app
from app.logs import configure_logging
from app.settings import Settings
from local.ports import LOOPBACK
from tests.support.faults import Fault, Faults


def main() -> None:
    """Serve until the fault kills the process."""
    port, at, max_file_bytes = (int(argument) for argument in sys.argv[1:])
    settings = Settings(**json.loads(os.environ["KILLED_PROCESS_SETTINGS"]))
    configure_logging("json")
    faults = Faults(everywhere=Fault(at, "kill"), max_file_bytes=max_file_bytes)
    uvicorn.run(create_app(settings, faults.opener()), host=LOOPBACK, port=port, log_config=None)


if __name__ == "__main__":
    main()
