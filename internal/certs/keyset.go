package certs

import (
	"os"
	"sync"
	"time"
)

// KeySet is the set of public keys in a folder. Keys may be added and removed
// at any time, and count within maxAge, mostly at once. It is safe for
// concurrent use.
type KeySet struct {
	folder string

	mu      sync.Mutex
	keys    map[string]bool // nil before the folder was read
	read    time.Time
	modTime time.Time // of the folder, as of read
}

// maxAge is how long the keys that were read serve while the folder's own time
// does not change. A burst of handshakes reads the files once. A file that is
// written in place leaves the folder's time as it is.
const maxAge = time.Second

// NewKeySet returns the public keys of a folder.
func NewKeySet(folder string) *KeySet { return &KeySet{folder: folder} }

// Contains reports whether the folder has a public key, given in Z85.
func (s *KeySet) Contains(publicKey string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var modTime time.Time
	if info, err := os.Stat(s.folder); err == nil {
		modTime = info.ModTime()
	}
	if s.keys == nil || !modTime.Equal(s.modTime) || time.Since(s.read) > maxAge {
		s.keys, s.read, s.modTime = ReadPublicKeys(s.folder), time.Now(), modTime
	}
	return s.keys[publicKey]
}
