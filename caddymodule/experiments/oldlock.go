package experiments

import (
	"context"
	"encoding/json"
	"time"

	"github.com/caddyserver/certmagic"
)

// lockAge is longer than any running node keeps its lock: StorageTime for its change,
// and StorageTime again to unlock. The rest allows for clocks that differ. A node whose
// Store hangs for longer loses its lock, as it also does if the file cannot be
// refreshed.
const lockAge = 30 * time.Second

// breakLock removes a lock that a killed node has left in Caddy's file storage. The
// storage also removes such a lock, unless the file was refreshed in the last ten
// seconds. But a node that has released its lock keeps refreshing the file for five
// seconds. If another node has left a lock by then, the refreshing never ends.
//
// If two nodes remove a lock at the same moment, both can acquire it. Caddy's storage
// has the same race.
func breakLock(ctx context.Context, storage Storage, name string) {
	files, ok := storage.(*certmagic.FileStorage)
	if !ok {
		return // other storages let a lock expire unless its holder extends it
	}
	data, err := files.Load(ctx, "locks/"+certmagic.StorageKeys.Safe(name)+".lock")
	if err != nil {
		return // Lock will report the error
	}
	var lock struct {
		Created time.Time `json:"created"`
	}
	if err := json.Unmarshal(data, &lock); err != nil || lock.Created.IsZero() {
		return // being written
	}
	if time.Since(lock.Created) > lockAge {
		_ = files.Unlock(ctx, name) // it may no longer exist
	}
}
