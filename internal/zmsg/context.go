package zmsg

// #include "zmsg.h"
// #include <stdlib.h>
import "C"

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"reflect"
	"unsafe"

	"github.com/pebbe/zmq4"
)

// NewContext returns a context whose sockets allocate received parts one by one.
// By default libzmq allocates 18 KB for what one system call has read, and keeps
// them until the last of the parts in it is closed. Then what small parts take
// would not depend on their size, and limits in bytes would not hold.
func NewContext() (*zmq4.Context, error) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		return nil, err
	}
	raw, err := rawContext(ctx)
	if err == nil {
		var rc C.int
		if rc, err = C.ng_copy_small(raw); rc == 0 {
			err = nil
		}
	}
	if err != nil {
		ctx.Term()
		return nil, err
	}
	return ctx, nil
}

// NewSocket returns a socket whose names for its peers cannot be foreseen. ROUTER
// and REP count from what the C library's rand() returns, which libzmq does not
// seed (router.cpp, random.cpp, to 4.3.5 at least), so a new process always had the
// same. A peer that takes the name of the next one makes libzmq abort the process
// (socket_base.cpp, add_out_pipe). A socket has a seed of its own, as REQ shows its
// peer what it gets.
func NewSocket(ctx *zmq4.Context, kind zmq4.Type) (*zmq4.Socket, error) {
	var seed [4]byte
	_, _ = rand.Read(seed[:]) // never fails
	C.srand(C.uint(binary.NativeEndian.Uint32(seed[:])))
	return ctx.NewSocket(kind)
}

// rawContext reads pebbe's unexported field.
func rawContext(ctx *zmq4.Context) (unsafe.Pointer, error) {
	f := reflect.ValueOf(ctx).Elem().FieldByName("ctx")
	if !f.IsValid() || f.Kind() != reflect.UnsafePointer {
		return nil, errors.New("this version of github.com/pebbe/zmq4 has no field Context.ctx: use v1.4.0")
	}
	return f.UnsafePointer(), nil
}
