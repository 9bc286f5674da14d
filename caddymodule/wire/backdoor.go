package wire

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// A backDoor is the listener through which connections go back to their server.
// One call of Serve waits at it for all of them. It is open while there are such
// connections, so nothing is kept of a server that has ended.
//
// A server that shuts down closes its listeners first. This one then closes the
// connections that wait for a request. They have sent nothing so far, as the server
// sees it, and Shutdown would wait five seconds for them.
type backDoor struct {
	srv    *http.Server
	addr   net.Addr
	accept chan net.Conn
	open   chan struct{} // closed when the server has come to the door, or does not come
	opened sync.Once
	closed chan struct{}
	shut   atomic.Bool                // set before closed is closed
	conns  map[*rejoinedConn]struct{} // that are not closed; guarded by backDoors
}

// backDoors are the doors of all servers.
var backDoors = struct {
	sync.Mutex
	of map[*http.Server]*backDoor
}{of: make(map[*http.Server]*backDoor)}

func newBackDoor(srv *http.Server, addr net.Addr) *backDoor {
	return &backDoor{
		srv: srv, addr: addr,
		accept: make(chan net.Conn), open: make(chan struct{}), closed: make(chan struct{}),
		conns: make(map[*rejoinedConn]struct{}),
	}
}

// enter takes a connection to the back door of its server, in the place of the one
// that it has been before, if any. It reports false when the server shuts down,
// which nothing but Serve tells.
func (c *rejoinedConn) enter(before *rejoinedConn) bool {
	backDoors.Lock()
	d := backDoors.of[c.srv]
	if d == nil {
		d = newBackDoor(c.srv, c.LocalAddr())
		backDoors.of[c.srv] = d
		go func() { _ = c.srv.Serve(d) }()
	}
	d.conns[c] = struct{}{}
	backDoors.Unlock()
	c.door = d
	<-d.open
	if d.shut.Load() {
		return false
	}
	if before != nil {
		before.leave()
	}
	return true
}

// leave forgets a connection. The last one closes the door after it.
func (c *rejoinedConn) leave() {
	d := c.door
	backDoors.Lock()
	delete(d.conns, c)
	last := len(d.conns) == 0
	if last {
		d.forget()
	}
	backDoors.Unlock()
	if last {
		_ = d.Close()
	}
}

// forget makes the next connection open another door; the caller holds the lock.
func (d *backDoor) forget() {
	if backDoors.of[d.srv] == d {
		delete(backDoors.of, d.srv)
	}
}

// admit gives the connection to the server, which may shut down meanwhile.
func (c *rejoinedConn) admit() {
	c.idle.Store(true)
	select {
	case c.door.accept <- c.forServer():
	case <-c.door.closed:
		_ = c.Close()
	}
}

// Accept returns the next connection that goes back.
func (d *backDoor) Accept() (net.Conn, error) {
	d.opened.Do(func() { close(d.open) })
	select {
	case conn := <-d.accept:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed // no temporary error, which Serve would retry
	}
}

// Close closes the door, and the connections that wait for a request. The server
// calls it with a lock of its own.
func (d *backDoor) Close() error {
	if !d.shut.CompareAndSwap(false, true) {
		return nil
	}
	close(d.closed)
	d.opened.Do(func() { close(d.open) })
	backDoors.Lock()
	d.forget()
	waiting := slices.Collect(maps.Keys(d.conns))
	backDoors.Unlock()
	for _, c := range waiting {
		if c.idle.Load() {
			_ = c.Conn.Close()
		}
	}
	return nil
}

// Addr is the address at which the first of the connections was accepted.
func (d *backDoor) Addr() net.Addr { return d.addr }
