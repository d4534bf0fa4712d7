"""conftest.py: makes tools/ and tools/dev/ importable for these tests. SPDX-License-Identifier: Apache-2.0"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/dev")]
