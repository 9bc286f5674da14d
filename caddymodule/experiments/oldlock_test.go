package experiments

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// A lock that a killed node has left, and that others keep refreshing, does not block
// the group forever. A lock that may be in use stays.
func TestShareLockLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := newNode(t, &certmagic.FileStorage{Path: dir}), newNode(t, &certmagic.FileStorage{Path: dir})
		must(t, a.put("one", `"ttl": 0, `, nil)) // will refresh the lock with this name in five seconds
		file := filepath.Join(dir, "locks", "faultstaging.json.lock")
		now := time.Now()
		data, err := json.Marshal(map[string]time.Time{"created": now, "updated": now})
		must(t, err)
		must(t, os.WriteFile(file, data, 0o600))

		time.Sleep(lockAge/2 + time.Second) // not while the file is being written
		if err := b.put("two", "", nil); !errors.Is(err, ErrStorage) {
			t.Errorf("put: got %v, want %v: the lock is kept fresh", err, ErrStorage)
		}
		if err := a.Member.Halt(halted("api")); !errors.Is(err, ErrStorage) {
			t.Errorf("halt: got %v, want %v", err, ErrStorage)
		}
		a.inStep("waiting for the lock", true)
		time.Sleep(lockAge / 2)
		a.want(a.step(), "HALTED")
		a.inStep("", false)
		b.want(b.step(), "HALTED")
		must(t, b.Resume(resumed()))
		must(t, b.put("two", "", nil))
		a.want(a.step(), "two")
		time.Sleep(time.Minute) // Caddy's storage notices a released lock slowly
	})
}
