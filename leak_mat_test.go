//go:build matprofile && !nogocv

package netgear

import (
	"fmt"

	"gocv.io/x/gocv"
)

func init() {
	leakChecks = append(leakChecks, func() error {
		if n := gocv.MatProfile.Count(); n != 0 {
			return fmt.Errorf("%d Mats were never closed", n)
		}
		return nil
	})
}
