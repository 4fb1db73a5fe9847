//go:build matprofile && !nogocv

package sample

import "gocv.io/x/gocv"

func init() { countMats = gocv.MatProfile.Count }
