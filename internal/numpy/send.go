package numpy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/vidgear-go/netgear/internal/levenshtein"
)

// ParseSendable parses the dtype of an array to send. A receiver passes the
// name to numpy. A name that numpy rejects, or cannot read from bytes, would
// end a VidGear receive end, so it is an error. The size is set also for types
// for which Parse returns 0.
func ParseSendable(s string) (DType, error) {
	d, err := Parse(s)
	if err != nil || d.Size > 0 {
		return d, err
	}
	if strings.HasPrefix(s, "[") || strings.HasPrefix(s, "{") {
		return d, fmt.Errorf("dtype %.60q: %w: numpy does not read it back from its text", s, ErrStructuredArray)
	}
	if d.Size, err = itemSize(s); err != nil {
		return d, err
	}
	d.Unit = 1
	return d, nil
}

// Spelling returns the name that every version of numpy accepts for d, with the
// byte order if d is big-endian.
func (d DType) Spelling() string {
	if !d.BigEndian {
		return d.Name
	}
	return ">" + byName[d.Name].code()
}

var (
	// sizedType matches numpy's types whose size is part of the name.
	sizedType = regexp.MustCompile(`^([SaUV])([1-9][0-9]{0,8})$`)
	// timeType matches numpy's moments and durations.
	timeType = regexp.MustCompile(`^(M8?|m8?|datetime64|timedelta64)(\[([0-9]{1,9})?(Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as)\])?$`)
	// emptyTypes are the names of text types without a length.
	emptyTypes = map[string]bool{"S": true, "a": true, "U": true, "V": true, "bytes": true, "bytes_": true, "str": true, "str_": true, "void": true}
)

// itemSize returns the size in bytes of an element of a type that is not a
// fixed type.
func itemSize(s string) (int, error) {
	if strings.Contains(s, ",") {
		return recordSize(s)
	}
	_, code := splitOrder(s)
	switch m := sizedType.FindStringSubmatch(code); {
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
		return 0, fmt.Errorf("elements of dtype %.60q take no bytes; give their length, as in \"S3\"", s)
	}
	return 0, fmt.Errorf("numpy does not know dtype %.60q; %s", s, suggest(s))
}

// recordSize parses numpy's short form of a record, such as "i4,f4", and
// returns its size.
func recordSize(s string) (int, error) {
	total := 0
	for field := range strings.SplitSeq(s, ",") {
		d, err := ParseSendable(strings.TrimSpace(field))
		if err != nil {
			return 0, err
		}
		total += d.Size
	}
	return total, nil
}

// openCVType matches an OpenCV or gocv name of a Mat type: CV_8UC3,
// MatTypeCV32F.
var openCVType = regexp.MustCompile(`^(?:mattype|cv2\.)?_?cv_?(8u|8s|16u|16s|32s|16f|32f|64f)(?:c[0-9]*)?$`)

var openCVNames = map[string]string{
	"8u": "uint8", "8s": "int8", "16u": "uint16", "16s": "int16", "32s": "int32", "16f": "float16", "32f": "float32", "64f": "float64",
}

// maxEdits is how many letters a suggested name may differ in.
const maxEdits = 2

// suggest returns the dtype whose name is most similar to a name that numpy
// rejects.
func suggest(s string) string {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, prefix := range []string{"numpy.", "np."} {
		lower = strings.TrimPrefix(lower, prefix)
	}
	if m := openCVType.FindStringSubmatch(lower); m != nil {
		return "did you mean " + openCVNames[m[1]] + "? The channels belong into the shape"
	}
	best, fewest := "", maxEdits+1
	var all []string
	for _, t := range fixedTypes {
		if t.rare {
			continue
		}
		all = append(all, t.Name)
		if d := levenshtein.Distance(lower, t.Name); d < fewest {
			best, fewest = t.Name, d
		}
	}
	if best == "" {
		return "it has " + strings.Join(all, ", ")
	}
	return "did you mean " + best + "?"
}
