import sys
from pathlib import Path

# the files that several of these tests make
sys.path.insert(0, str(Path(__file__).parent))
