module github.com/vidgear-go/netgear/cmd/netgear

go 1.25.0

require (
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/schollz/progressbar/v3 v3.19.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.10
	github.com/vidgear-go/netgear v0.0.0
	golang.org/x/term v0.43.0
)

require github.com/inconshreveable/mousetrap v1.1.0 // indirect

replace github.com/vidgear-go/netgear => ../..
