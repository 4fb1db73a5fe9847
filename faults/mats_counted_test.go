//go:build matprofile && !nogocv

package faults

import "gocv.io/x/gocv"

func init() { mats = func() int { return gocv.MatProfile.Count() } }
