package seen

// Observer is told what a point sees, such as to count it for ever. Requests wait for it.
type Observer interface {
	Saw()   // a request: a hit, or one that has ended without
	Erred() // a real error
}

// Observe gives each new point the observer that of returns for its name. It must be
// called before the first point.
func (rec *Recorder) Observe(of func(point string) Observer) { rec.observer = of }

// unobserved is the observer of points that have none.
type unobserved struct{}

func (unobserved) Saw()   {}
func (unobserved) Erred() {}

// observe returns the observer of a new point.
func (rec *Recorder) observe(point string) Observer {
	if rec.observer == nil {
		return unobserved{}
	}
	return rec.observer(point)
}
