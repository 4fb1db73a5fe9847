package certs

import (
	"os"
	"sync"
	"time"
)

// KeySet is the set of public keys in a folder. Added and removed keys take
// effect within maxAge, mostly at once. It is safe for concurrent use.
type KeySet struct {
	folder string

	mu      sync.Mutex
	keys    map[string]bool // nil before the first read
	read    time.Time
	modTime time.Time // of the folder, as of read
}

// maxAge is how long the keys that were read are used while the folder's
// modification time does not change. So many handshakes at once read the files
// once. A file that is written in place does not change the folder's time.
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
