package program

import (
	"bufio"
	"io"
	"os"
)

// WriteFile writes a file under another name, and renames it when it is complete.
// A cut one, as on a full disk, is deleted.
func WriteFile(name string, write func(io.Writer) error) error {
	part := name + ".part"
	file, err := os.Create(part) //nolint:gosec // the caller's
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		os.Remove(part)
	}
	return err
}
