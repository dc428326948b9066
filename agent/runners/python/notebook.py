"""notebook.py CONNECTION_FILE: the kernel of Python notebooks that run in the run's Spark session."""
import sys

from ama_kernel.notebook import serve

serve(sys.argv[1])
