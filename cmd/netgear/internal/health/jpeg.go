package health

// #cgo pkg-config: libjpeg
// #include <stdio.h>
// #include <jpeglib.h>
// #define NETGEAR_TEXT(x) #x
// #define NETGEAR_VALUE(x) NETGEAR_TEXT(x)
// #ifdef LIBJPEG_TURBO_VERSION
// static const char *netgear_jpeg(void) { return NETGEAR_VALUE(LIBJPEG_TURBO_VERSION); }
// #else
// static const char *netgear_jpeg(void) { return "not libjpeg-turbo"; }
// #endif
import "C"

// jpegVersion returns the version of libjpeg-turbo that this program was built
// with.
func jpegVersion() string { return C.GoString(C.netgear_jpeg()) }
