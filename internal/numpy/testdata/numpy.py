"""Asks numpy which names of dtypes it knows, for TestDTypesOfNumpy.

Prints a line for each name: the name, numpy's own name of the type without byte
order, its size in bytes, and "swapped" where the elements are big-endian; or the
name and "refused", where numpy does not know it or cannot read it from bytes.

    python internal/numpy/testdata/numpy.py > internal/numpy/testdata/numpy.txt
"""
import os
import string
import sys
import warnings

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
import numpy as np  # not this file

warnings.simplefilter("ignore")

names = {k for k in np.sctypeDict if isinstance(k, str)}
codes = [*string.ascii_letters, "?"]
names |= {c + n for c in codes for n in ["", "0", "1", "2", "3", "4", "8", "16", "32", "100"]}
names |= set("""
    int uint float complex bool object str bytes void half single double long ulong short ushort byte ubyte
    float_ int_ complex_ bool8 int0 uint0 unicode unicode_ string_ str0 void0 object0
    M8[ns] m8[us] M8[10ms] M8[Y] m8[D] M8[xs] M8[] M8[0s] m8[as] M8[μs] datetime64[ns] timedelta64[s] datetime64[M]
    i4,f4 <i4,>f8 u1,S3,M8[ns] i4,UINT8 ,
    UINT8 Uint8 unit8 Float32 FLOAT64 uint24 int7 float80 CV_8UC3 CV_32F np.uint8 numpy.float32 uint8_t uchar string rgb24 B8 8 u float8 bfloat16
    [('a','<i4')] {'names':['a'],'formats':['i4']}
""".split())
names |= {order + name for name in list(names) for order in "<>=|" if name[0] not in "<>=|[{"}

for name in sorted(names):
    try:
        dtype = np.dtype(name)
        np.frombuffer(bytes(2 * dtype.itemsize), dtype=name)
    except Exception:
        print(name, "refused", sep="\t")
        continue
    swapped = ["swapped"] if dtype.kind in "uifc" and dtype.str[0] == ">" else []
    print(name, dtype.name, dtype.itemsize, *swapped, sep="\t")
