// The program keys creates the certificates of secure mode and lists a
// certificate folder. It never prints a secret.
//
// It shows how to
//
//  1. create certificates that VidGear can read (CreateCertificates); existing
//     ones are kept, or replaced (ReplaceCertificates),
//  2. find their folder (CertificateDir),
//  3. see which file belongs on which machine.
//
// Run it in the project's folder:
//
//	go run ./examples/keys                      # in the home folder, where VidGear has them, too
//	go run ./examples/keys -location mykeys     # Options.CustomCertLocation, custom_cert_location
//
// VidGear creates the same folder when it opens a secure end:
//
//	from vidgear.gears import NetGear
//	end = NetGear(secure_mode=1, custom_cert_location="mykeys")   # a folder that exists
//	end.close()
//
// docs/security.md describes what the modes protect against.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/examples/internal/cli"
	"github.com/vidgear-go/netgear/internal/certs"
)

func main() { cli.Main(run) }

func run(_ context.Context, args []string) error {
	fs := flag.NewFlagSet("keys", flag.ContinueOnError)
	location := fs.String("location", "", "the `folder` that .vidgear/keys is in (default the home folder)")
	overwrite := fs.Bool("overwrite", false, "make new keys in place of those that are there, public keys of other machines included")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	dir, err := netgear.CertificateDir(*location)
	if err != nil {
		return err
	}
	_, missing := os.Stat(dir)
	create := netgear.CreateCertificates
	if *overwrite {
		create = netgear.ReplaceCertificates
	}
	if _, err := create(*location); err != nil {
		return err
	}
	switch {
	case missing != nil:
		fmt.Println("new keys in", dir)
	case *overwrite:
		fmt.Println("new keys in place of the old ones in", dir)
		fmt.Println("Ends that are open keep the old ones. Every machine that had a copy needs the new files.")
	default:
		fmt.Println("keys that were there already in", dir)
	}
	return show(dir)
}

// show prints the files of a certificate folder.
func show(dir string) error {
	files, err := certs.List(dir)
	if err != nil {
		return err
	}
	return certs.WriteTable(os.Stdout, files)
}
