package page

import (
	"context"
	"strings"
	"testing"
)

// Outside the repository there is nothing that draws, and the error names that.
func TestDrawElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	err := Draw(context.Background(), []Chart{{}}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "root of the repository") {
		t.Error(err)
	}
}
