"""What gunicorn serves: `gunicorn wsgi:app`."""

import sys

from app.application import create_app
from app.errors import ConfigError

try:
    app = create_app()
except ConfigError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
