package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// TestWholeClients compares what recording clients costs a whole Caddy process. Three
// processes have the same servers. Only the second records, so the third shows how far
// two equal processes differ. The test prints a Markdown table.
func TestWholeClients(t *testing.T) {
	if *wholeRounds == 0 {
		t.Skip("takes minutes: say how many rounds, such as -whole 200")
	}
	type side struct {
		*process
		clients [][]asker
		cpu     [][]float64 // by contender, microseconds per request
	}
	names := []string{"`fault 551`", "a rule that misses"}
	sides := make([]side, 3)
	for i := range sides {
		all := []contender{{"", true, "fault 551", freePort(t)}, {"", true, "fault /other/* 551\nsmallest", freePort(t)}}
		option := "clients off"
		if i == 1 {
			option = ""
		}
		s := side{process: serveWith(t, option, all...), cpu: make([][]float64, len(all))}
		for _, c := range all {
			s.clients = append(s.clients, bareClients(t, c))
			serveTurn(t, s.process, s.clients[len(s.clients)-1]) // warm-up
		}
		sides[i] = s
	}
	for round := range *wholeRounds {
		for c := range names {
			for turn := range sides {
				s := &sides[(turn+round)%len(sides)]
				n, _, used := serveTurn(t, s.process, s.clients[c])
				s.cpu[c] = append(s.cpu[c], used.Seconds()*1e6/float64(n))
			}
		}
	}
	fmt.Println("| CPU µs/request | unrecorded | recorded | unrecorded again |")
	fmt.Println("| --- | ---: | ---: | ---: |")
	for c, name := range names {
		for _, part := range []int{20, 4, 2} { // the part of the rounds that was cheaper
			fmt.Printf("| %s, 1/%d of the rounds below |", name, part)
			for _, s := range sides {
				slices.Sort(s.cpu[c])
				fmt.Printf(" %.2f |", s.cpu[c][len(s.cpu[c])/part])
			}
			fmt.Println()
		}
	}
}
