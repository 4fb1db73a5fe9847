module github.com/vidgear-go/netgear

go 1.25.0

require (
	github.com/pebbe/zmq4 v1.4.0
	github.com/vmihailenco/msgpack/v5 v5.4.1
	gocv.io/x/gocv v0.31.0
	golang.org/x/crypto v0.52.0
	golang.org/x/sys v0.45.0
	pgregory.net/rapid v1.3.0
)

require github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
