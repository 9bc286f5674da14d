package experiments

import "time"

// retention removes entries of a journal that are too old.
type retention struct {
	keep  time.Duration // 0: entries have no limit in time
	timer *time.Timer   // nil: no entry waits for its end
}

// Keep limits the time for which the journal has an entry. 0 means no limit.
func (j *Journal) Keep(keep time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if keep == j.retention.keep {
		return
	}
	if j.retention.timer != nil {
		j.retention.timer.Stop()
	}
	j.retention = retention{keep: keep}
	if keep > 0 {
		j.prune()
	}
}

// expire is prune for the timer.
func (j *Journal) expire() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retention.timer = nil
	if j.retention.keep > 0 {
		j.prune()
	}
}

// prune removes the entries that are too old, and sets the timer for the next one. The
// caller holds the lock.
func (j *Journal) prune() {
	now := time.Now()
	for seq := j.oldest(); seq <= j.seq; seq++ {
		rec := j.ring.get(seq)
		if rec == nil {
			continue
		}
		if left := j.retention.keep - rec.Age(now); left > 0 {
			j.wake(left)
			return
		}
		j.ring.at(seq).Store(nil)
		j.lose(rec.entry.Time)
		j.first = seq + 1
	}
}

// wake sets the timer unless it is set.
func (j *Journal) wake(in time.Duration) {
	if j.retention.timer == nil {
		j.retention.timer = time.AfterFunc(in, j.expire)
	}
}

// added sets the timer for a new entry. An old one has set it already. The caller holds
// the lock.
func (j *Journal) added() {
	if j.retention.keep > 0 {
		j.wake(j.retention.keep)
	}
}
