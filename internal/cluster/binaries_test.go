package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestNewestVersionIsANumber(t *testing.T) {
	root := t.TempDir()
	for _, v := range []string{"9.6", "17", "9", "14"} {
		if err := os.MkdirAll(filepath.Join(root, v, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, dir := range newestFirst(filepath.Join(root, "*", "bin")) {
		got = append(got, filepath.Base(filepath.Dir(dir)))
	}
	if want := []string{"17", "14", "9.6", "9"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}
