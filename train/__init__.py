"""The trainer: reads dataset folders, trains codecs from them, converts, evaluates, shows.

It knows nothing of the renderer; what both know is in `manifests`.
"""

import os

# OpenMP's threads spin while they wait unless told otherwise, and on a machine that does anything besides
# (here: the loader's own threads) a step then takes up to four times as long. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
