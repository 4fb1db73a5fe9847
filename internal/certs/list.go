package certs

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// File is one key file of a certificate folder.
type File struct {
	Name      string // relative to the folder, with slashes
	Mode      fs.FileMode
	PublicKey string // in Z85; a note if the file has none
}

// List returns the key files of the certificate folder dir, the secret ones
// first.
func List(dir string) ([]File, error) {
	var files []File
	for _, kind := range [][2]string{{secretFolder, secretSuffix}, {publicFolder, publicSuffix}} {
		entries, err := os.ReadDir(filepath.Join(dir, kind[0]))
		if err != nil {
			return files, err
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), kind[1]) {
				continue
			}
			file := filepath.Join(dir, kind[0], e.Name())
			info, err := os.Stat(file)
			if err != nil {
				return files, err
			}
			key, err := ReadPublic(file)
			if err != nil {
				key = "none: " + ErrNoPublicKey.Error()
			}
			files = append(files, File{path.Join(kind[0], e.Name()), info.Mode(), key})
		}
	}
	return files, nil
}

// Secret reports whether the file has a secret key.
func (f File) Secret() bool { return path.Ext(f.Name) == secretSuffix }

// Exposed reports whether a secret file is readable by other users.
func (f File) Exposed() bool { return f.Secret() && f.Mode.Perm()&0o077 != 0 }

// NeededBy returns which ends read the file.
func (f File) NeededBy() string {
	switch f.Name {
	case secretFolder + "/" + Server + secretSuffix:
		return "the receive end"
	case secretFolder + "/" + Client + secretSuffix, publicFolder + "/" + Server + publicSuffix:
		return "the send end"
	}
	if strings.HasPrefix(f.Name, publicFolder+"/") {
		return "the receive end, in IronHouse: its owner is admitted"
	}
	return "no end"
}

// WriteTable writes the files as a table, and then what is to be done about
// those that other users can read. It writes no secret.
func WriteTable(w io.Writer, files []File) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nfile\tmode\tneeded by\tpublic key")
	for _, f := range files {
		fmt.Fprintf(table, "%s\t%04o\t%s\t%s\n", f.Name, f.Mode.Perm(), f.NeededBy(), f.PublicKey)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nA secret file (.key_secret) is for one machine: copy it only in a way that keeps it secret, or better not at all.")
	for _, f := range files {
		if f.Exposed() {
			fmt.Fprintf(w, "%s can be read by others: chmod 600 it.\n", f.Name)
		}
	}
	return nil
}
