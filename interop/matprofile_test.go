//go:build !nogocv && matprofile

package interop

import (
	"bytes"
	"fmt"

	"gocv.io/x/gocv"
)

func init() {
	checkMats = func() error {
		if n := gocv.MatProfile.Count(); n != 0 {
			var b bytes.Buffer
			gocv.MatProfile.WriteTo(&b, 1)
			return fmt.Errorf("%d Mats:\n%s", n, b.String())
		}
		return nil
	}
}
