"""`python -m workers` runs one worker with its beat."""

import sys

from moat.settings import Settings
from workers.app import run

sys.exit(run(Settings.load()))
