package wire

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// A backDoor is the listener through which connections return to their server. One call
// of Serve accepts all of them. The listener is open only while such connections exist,
// so nothing remains of a server that has ended.
//
// A server that shuts down closes its listeners first. The back door then closes the
// connections that wait for a request. To the server they look like new connections
// that have sent nothing, and Shutdown would wait five seconds for them.
type backDoor struct {
	srv    *http.Server
	addr   net.Addr
	accept chan net.Conn
	open   chan struct{} // closed when the server calls Accept, or never will
	opened sync.Once
	closed chan struct{}
	shut   atomic.Bool                // set before closed is closed
	conns  map[*rejoinedConn]struct{} // the open connections; guarded by backDoors
}

// backDoors holds the back doors of all servers.
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

// enter registers a connection at the back door of its server, and removes the
// connection that c replaces, if any. It reports false if the server is shutting down,
// which only a call of Serve reveals.
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

// leave removes a connection. The last one closes the door.
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

// forget makes the next connection open a new door. The caller holds the lock.
func (d *backDoor) forget() {
	if backDoors.of[d.srv] == d {
		delete(backDoors.of, d.srv)
	}
}

// admit passes the connection to the server, or closes it if the server shuts down
// first.
func (c *rejoinedConn) admit() {
	c.idle.Store(true)
	select {
	case c.door.accept <- c.forServer():
	case <-c.door.closed:
		_ = c.Close()
	}
}

// Accept returns the next connection that returns to the server.
func (d *backDoor) Accept() (net.Conn, error) {
	d.opened.Do(func() { close(d.open) })
	select {
	case conn := <-d.accept:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed // not a temporary error, which Serve would retry
	}
}

// Close closes the door and the connections that wait for a request. The server calls
// it while it holds its own lock.
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

// Addr returns the address at which the first of the connections was accepted.
func (d *backDoor) Addr() net.Addr { return d.addr }
