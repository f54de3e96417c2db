"""Finds personal data in messages.

Parallelism is given by processes, one thread each; threads of a linear-algebra library inside them only collide. The
library reads these variables once, when NumPy is first imported, so they are set before any module of this package is.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
