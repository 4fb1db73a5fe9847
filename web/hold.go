package web

import (
	"bytes"
	"fmt"

	"github.com/vidgear-go/netgear"
)

// heldFrame is a frame that stays valid until close, whatever its first owner
// does.
type heldFrame struct {
	coded []byte
	raw   []byte
	msg   netgear.Message
}

// hold returns the frame as a heldFrame.
func hold(f *netgear.Frame) (heldFrame, error) {
	h := heldFrame{}
	if f == nil {
		return h, fmt.Errorf("web: %w: the Frame is nil", netgear.ErrFrame)
	}
	h.msg = f.Message
	if jpeg := f.JPEG(); jpeg != nil {
		h.coded = bytes.Clone(jpeg)
		return h, nil
	}
	data, _ := f.Bytes()
	if data == nil {
		return h, fmt.Errorf("web: %w: it is closed", netgear.ErrFrame)
	}
	if _, _, _, ok := layout(f.DType(), f.Shape()); ok {
		h.raw = bytes.Clone(data)
	}
	return h, nil
}

// jpeg returns the JPEG as received, or nil for a raw frame.
func (h *heldFrame) jpeg() []byte { return h.coded }

// pixels returns the pixels of a raw frame.
func (h *heldFrame) pixels() ([]byte, error) { return h.raw, nil }

func (h *heldFrame) message() netgear.Message { return h.msg }

func (h *heldFrame) close() { *h = heldFrame{} }
