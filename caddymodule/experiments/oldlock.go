package experiments

import (
	"context"
	"encoding/json"
	"time"

	"github.com/caddyserver/certmagic"
)

// lockAge is more than the age of any lock of a node that lives: it has
// StorageTime for its change, and once more to unlock. The rest is for clocks
// that differ. One whose Store hangs for longer loses its lock, as it does by
// itself where the file cannot be refreshed either.
const lockAge = 30 * time.Second

// breakLock removes a lock that was left behind by a node that was killed, in
// Caddy's file storage. That does so, too, unless the lock was refreshed less
// than ten seconds ago. But a node that has let go of its own lock goes on to
// refresh the file for five seconds, and if there is another's by then, for as
// long as there is one: for ever, where nobody can remove it.
//
// Two nodes that do this within the same moment can take the lock at once, and
// so they can by what Caddy does.
func breakLock(ctx context.Context, storage Storage, name string) {
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return // others let a lock run out, by a time that only its holder can extend
	}
	data, err := files.Load(ctx, "locks/"+certmagic.StorageKeys.Safe(name)+".lock")
	if err != nil {
		return // Lock will say so
	}
	var lock struct {
		Created time.Time `json:"created"`
	}
	if err := json.Unmarshal(data, &lock); err != nil || lock.Created.IsZero() {
		return // it is just being written
	}
	if time.Since(lock.Created) > lockAge {
		_ = files.Unlock(ctx, name) // there may be none any more
	}
}
