"""Evidence from end to end: proofs for strangers, checkpoints elsewhere, an old backup refused."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import exit_codes
from adapters.settings import PREFIX
from tests.e2e.installation import Installation, until
from tests.e2e.tills import pay
from tests.e2e.town import found_town
from tests.unit.audit.https_server import serving

STRANGER = Path(__file__).parents[2] / "docs" / "verify_proof.py"
