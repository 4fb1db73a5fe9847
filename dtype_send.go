package netgear

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// sendableDType reads the dtype of an array that is to be sent. A receiver gives
// the name to numpy, so one that numpy does not know, or cannot read from bytes,
// would end a VidGear receive end, and is refused. The dtype's size is known here
// also for the types that a received frame leaves open.
func sendableDType(s string) (dtype, error) {
	d, err := parseDType(s)
	if err != nil || d.size > 0 {
		return d, err
	}
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "{") {
		return d, fmt.Errorf("%w: dtype %q: %w: numpy does not read it back from its text", ErrFrame, s, ErrStructuredArray)
	}
	if d.size, err = itemSize(s); err != nil {
		return d, err
	}
	d.unit = 1
	return d, nil
}

// spelling is the dtype as the wire has it, without the names that only some
// versions of numpy know.
func (d dtype) spelling() string {
	if !d.swap {
		return d.name
	}
	letter := dtypeLetters[strings.TrimRight(d.name, "0123456789")]
	return ">" + letter + strconv.Itoa(d.size)
}

// spell checks an array that is to be sent, and returns how the wire spells its
// dtype.
func spell(w wire, a *Array) (d dtype, spelled string, err error) {
	if d, err = sendableDType(a.DType); err != nil {
		return d, "", err
	}
	if len(a.Shape) > maxDims {
		return d, "", fmt.Errorf("%w: %d dimensions, numpy has at most %d", ErrFrame, len(a.Shape), maxDims)
	}
	if err := checkArray(d, a.Shape, len(a.Data)); err != nil {
		if d.name != a.DType {
			err = fmt.Errorf("%w (to numpy %q is %s)", err, a.DType, d.name)
		}
		return d, "", err
	}
	spelled, err = w.dtype(d.spelling())
	return d, spelled, err
}

// textType and timeType are numpy's types whose size is part of the name, and
// those of a moment or a duration.
var (
	textType = regexp.MustCompile(`^([SaUV])([1-9][0-9]{0,8})$`)
	timeType = regexp.MustCompile(`^(M8?|m8?|datetime64|timedelta64)(\[([0-9]{1,9})?(Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as)\])?$`)
)

// itemSize is what one element of a type takes that is not in dtypes.
func itemSize(s string) (int, error) {
	if strings.Contains(s, ",") {
		return recordSize(s)
	}
	_, code := splitOrder(s)
	switch m := textType.FindStringSubmatch(code); {
	case m != nil:
		n, err := strconv.Atoi(m[2])
		if m[1] == "U" {
			n *= 4
		}
		return n, err
	case timeType.MatchString(code):
		return 8, nil
	case code == "c":
		return 1, nil
	case emptyTypes[strings.TrimRight(code, "0")]:
		return 0, fmt.Errorf("%w: elements of dtype %q take no bytes; give their length, as in \"S3\"", ErrFrame, s)
	}
	return 0, fmt.Errorf("%w: numpy does not know dtype %q; %s", ErrFrame, s, suggestDType(s))
}

var emptyTypes = map[string]bool{"S": true, "a": true, "U": true, "V": true, "bytes": true, "bytes_": true, "str": true, "str_": true, "void": true}

// recordSize is for numpy's short way to write a record: "i4,f4".
func recordSize(s string) (int, error) {
	total := 0
	for field := range strings.SplitSeq(s, ",") {
		d, err := sendableDType(strings.TrimSpace(field))
		if err != nil {
			return 0, err
		}
		total += d.size
	}
	return total, nil
}

// commonDTypes are what a caller may have meant, the likeliest first.
var commonDTypes = []string{
	"uint8", "float32", "uint16", "int32", "float64", "int16", "int64", "uint32", "int8", "uint64", "bool", "float16", "complex64", "complex128",
}

// openCVType is an OpenCV or gocv name of a Mat type: CV_8UC3, MatTypeCV32F.
var openCVType = regexp.MustCompile(`^(?:mattype|cv2\.)?_?cv_?(8u|8s|16u|16s|32s|16f|32f|64f)(?:c[0-9]*)?$`)

var openCVDTypes = map[string]string{
	"8u": "uint8", "8s": "int8", "16u": "uint16", "16s": "int16", "32s": "int32", "16f": "float16", "32f": "float32", "64f": "float64",
}

// suggestDType names the dtype that a name which numpy does not know was meant for.
func suggestDType(s string) string {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, prefix := range []string{"numpy.", "np."} {
		lower = strings.TrimPrefix(lower, prefix)
	}
	if m := openCVType.FindStringSubmatch(lower); m != nil {
		return "did you mean " + openCVDTypes[m[1]] + "? The channels belong into the shape"
	}
	best, near := "", 3
	for _, name := range commonDTypes {
		if d := distance(lower, name); d < near {
			best, near = name, d
		}
	}
	if best == "" {
		return "it has " + strings.Join(commonDTypes, ", ")
	}
	return "did you mean " + best + "?"
}
