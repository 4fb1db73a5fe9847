// Package recent has a table of what was used last, for keys that a peer may
// invent.
package recent

import "container/list"

// Table holds a value for each of at most Max keys, and at least one.
type Table[K comparable, V any] struct {
	Max   int
	known map[K]*list.Element
	used  *list.List // of *entry, the last one used first
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Use returns the value of a key, and whether the table had it. If not, it is a
// zero value, which takes the place of the one that was not used for the longest
// time if there are Max. The value is the table's until then.
func (t *Table[K, V]) Use(key K) (value *V, known bool) {
	if e := t.known[key]; e != nil {
		t.used.MoveToFront(e)
		return &e.Value.(*entry[K, V]).value, true
	}
	if t.known == nil {
		t.known, t.used = map[K]*list.Element{}, list.New()
	}
	if len(t.known) >= max(t.Max, 1) {
		oldest := t.used.Back()
		delete(t.known, t.used.Remove(oldest).(*entry[K, V]).key)
	}
	e := &entry[K, V]{key: key}
	t.known[key] = t.used.PushFront(e)
	return &e.value, false
}

// Has reports whether the table has a key.
func (t *Table[K, V]) Has(key K) bool { return t.known[key] != nil }

// Len returns the number of keys.
func (t *Table[K, V]) Len() int { return len(t.known) }

// All calls f for each value.
func (t *Table[K, V]) All(f func(*V)) {
	for _, e := range t.known {
		f(&e.Value.(*entry[K, V]).value)
	}
}
