package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vidgear-go/netgear"
	"github.com/vidgear-go/netgear/internal/certs"
)

func (a *app) keys() *cobra.Command {
	var replace, list bool
	cmd := &cobra.Command{
		Use: "keys", Short: "Create and list the keys of the secure modes", Args: noArguments,
		Long: `Create the key pairs of a certificate folder in VidGear's layout, unless it
exists, and list it. Secret keys are never printed.`,
		Example: `  netgear keys                           # in the home folder, as VidGear
  netgear keys --cert-location mykeys
  netgear keys --list`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.options(cmd, netgear.Options{})
			if err != nil {
				return err
			}
			return makeKeys(o.CustomCertLocation, replace, list)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "create new keys in place of those in the folder, which also removes\nthe public keys of other machines")
	cmd.Flags().BoolVar(&list, "list", false, "only list the folder")
	cmd.MarkFlagsMutuallyExclusive("replace", "list")
	addConnection(cmd)
	return cmd
}

func makeKeys(location string, replace, list bool) error {
	dir, err := netgear.CertificateDir(location)
	if err != nil {
		return err
	}
	_, missing := os.Stat(dir)
	switch {
	case list:
		if missing != nil {
			return fmt.Errorf("there are no keys yet: %w", missing)
		}
		fmt.Fprintln(&stdout, "keys in", dir)
	case replace:
		if _, err := netgear.ReplaceCertificates(location); err != nil {
			return err
		}
		fmt.Fprintln(&stdout, "new keys in", dir)
		if missing == nil {
			fmt.Fprintln(&stdout, "Ends that are open keep the old ones. Every machine that had a copy needs the new files.")
		}
	default:
		if _, err := netgear.CreateCertificates(location); err != nil {
			return err
		}
		fmt.Fprintln(&stdout, map[bool]string{true: "new keys in", false: "keys that exist in"}[missing != nil], dir)
	}
	return listKeys(dir)
}

// listKeys prints the files of a certificate folder.
func listKeys(dir string) error {
	files, err := certs.List(dir)
	if err != nil {
		return err
	}
	return certs.WriteTable(&stdout, files)
}
