package recent

import "testing"

// A table has the keys that were used last, and the values that they were given.
func TestTable(t *testing.T) {
	table := Table[int, int]{Max: 3}
	for i, key := range []int{1, 2, 3, 1, 4, 5, 1} { // 2 and 3 go
		value, known := table.Use(key)
		if want := i == 3 || i == 6; known != want || known && *value != key || !known && *value != 0 {
			t.Errorf("use %d of %d: %d, %v", i, key, *value, known)
		}
		*value = key
		if table.Len() > 3 || table.Len() != table.used.Len() {
			t.Fatalf("%d keys, %d in order", table.Len(), table.used.Len())
		}
	}
	for key, want := range map[int]bool{1: true, 2: false, 3: false, 4: true, 5: true} {
		if table.Has(key) != want {
			t.Errorf("%d is there: %v", key, !want)
		}
	}
	sum := 0
	table.All(func(v *int) { sum += *v })
	if sum != 1+4+5 {
		t.Errorf("the values have the sum %d", sum)
	}
}
