// Package matframe is for tests: frames that are sent and received as Mats. Without
// gocv it has no functions.
package matframe
