// Package calls is the main function of a program that has several HTTP clients.
package calls

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// Timeout is the timeout of each client.
const Timeout = 2 * time.Second

// Order is the body of each POST request.
const Order = `{"item": "tea"}`

// HTTP returns a separate client of net/http with the timeout.
func HTTP() *http.Client {
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: Timeout}
}

// Client is a client with its name and how it is set up.
type Client struct {
	Name   string
	Title  string
	Module string // whose version the title gets; of Go itself if it is empty
	Only   string // the only method that the client sends

	// Send sends a request and reads the reply.
	Send func(ctx context.Context, method, url string) error
}

// Main prints the clients or, if the program has arguments, sends a request to each URL
// at the same time. For each request that has ended it prints the URL and the outcome.
func Main(clients ...Client) {
	if len(os.Args) < 2 {
		for _, c := range clients {
			fmt.Printf("%s\t%s\t%s\n", c.Name, fmt.Sprintf(c.Title, version(c.Module)), c.Only)
		}
		return
	}
	name, args := os.Args[1], os.Args[2:]
	var all sync.WaitGroup
	for _, c := range clients {
		for i := 0; c.Name == name && i+1 < len(args); i += 2 {
			all.Go(func() {
				outcome := "ok"
				if err := c.Send(context.Background(), args[i], args[i+1]); err != nil {
					outcome = err.Error()
				}
				fmt.Println(args[i+1], outcome)
			})
		}
	}
	all.Wait()
}

// version returns the version of a module of this program.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version[1:]
		}
	}
	return info.GoVersion[len("go"):]
}
