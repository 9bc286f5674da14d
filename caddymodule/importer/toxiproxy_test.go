package importer

import "testing"

func TestToxiproxy(t *testing.T) {
	checkCases(t, []importCase{
		{
			name: "Each toxic, downstream.",
			file: "proxies.json",
			source: `
{"api": {"name": "api", "listen": "[::]:8000", "upstream": "app:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 100}},
  {"name": "t", "type": "timeout", "stream": "downstream", "toxicity": 1.0, "attributes": {"timeout": 0}},
  {"name": "t", "type": "timeout", "stream": "downstream", "toxicity": 1.0, "attributes": {"timeout": 1500}},
  {"name": "t", "type": "reset_peer", "stream": "downstream", "toxicity": 1.0, "attributes": {"timeout": 200}},
  {"name": "t", "type": "limit_data", "stream": "downstream", "toxicity": 1.0, "attributes": {"bytes": 5000}},
  {"name": "t", "type": "slicer", "stream": "downstream", "toxicity": 1.0, "attributes": {"average_size": 64, "size_variation": 32, "delay": 1000}}
]}}
`,
			want: `
# Imported from proxies.json, 1 proxy.
# Toxicity is drawn for each request here, not for each connection.

http://:8000 {
	fault {
		point api-t
		truncate 5000B close
	}
	fault {
		point api-t-2
		phase response
		delay 100ms
	}
	fault {
		point api-t-3
		phase response
		hang
	}
	fault {
		point api-t-4
		phase response
		hang 1500ms
	}
	fault {
		point api-t-5
		phase response
		delay 200ms
		reset
	}
	fault {
		point api-t-6
		throttle 64kB/s
	}
	reverse_proxy app:80
}
`,
			notes: `
proxies.json:2: api.toxics[0]: approximate: the delay is once for each request, not for each piece of data
proxies.json:6: api.toxics[4]: approximate: the limit counts the body only; Toxiproxy also counts the head, and all requests of a connection together
proxies.json:7: api.toxics[5]: approximate: the data comes at the average rate of the slicer, not in its pieces; for events of a stream, write stream each split
`,
		},
		{
			name: "Each toxic, upstream.",
			file: "proxies.json",
			source: `
{"api": {"name": "api", "listen": "[::]:8000", "upstream": "app:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "upstream", "toxicity": 1.0, "attributes": {"latency": 10, "jitter": 50}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.001, "attributes": {"rate": 1}},
  {"name": "t", "type": "timeout", "stream": "upstream", "toxicity": 1.0, "attributes": {"timeout": 0}},
  {"name": "t", "type": "reset_peer", "stream": "upstream", "toxicity": 1.0, "attributes": {}},
  {"name": "t", "type": "limit_data", "stream": "upstream", "toxicity": 1.0, "attributes": {"bytes": 0}}
]}}
`,
			want: `
# Imported from proxies.json, 1 proxy.
# Toxicity is drawn for each request here, not for each connection.

http://:8000 {
	fault {
		point api-t
		percent 0.1%
		throttle 1kB/s {
			request
		}
	}
	fault {
		point api-t-2
		truncate 0B close {
			request
		}
	}
	fault {
		point api-t-3
		delay 0s 60ms
	}
	fault {
		point api-t-4
		hang
	}
	fault {
		point api-t-5
		reset
	}
	reverse_proxy app:80
}
`,
			notes: `
proxies.json:2: api.toxics[0]: approximate: the delay is once for each request, not for each piece of data
proxies.json:6: api.toxics[4]: approximate: the limit counts the body only; Toxiproxy also counts the head, and all requests of a connection together
`,
		},
		{
			name: "Toxics that are left out or without an effect.",
			file: "proxies.json",
			source: `
{"api": {"name": "api", "listen": "[::]:8000", "upstream": "app:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 0}},
  {"name": "t", "type": "bandwidth", "stream": "downstream", "toxicity": 1.0, "attributes": {"rate": 0}},
  {"name": "t", "type": "slicer", "stream": "downstream", "toxicity": 1.0, "attributes": {"average_size": 64}},
  {"name": "t", "type": "noise", "stream": "downstream", "toxicity": 1.0, "attributes": {}},
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": "much"}},
  {"name": "t", "type": "latency", "stream": "sideways", "toxicity": 1.0, "attributes": {"latency": 5}},
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": -1, "attributes": {"latency": 5}}
]}}
`,
			want: `
# Imported from proxies.json, 1 proxy.
# Toxicity is drawn for each request here, not for each connection.

http://:8000 {
	# Left out: bandwidth t: a rate of 0 stops all data: write hang.
	# Left out: latency t: want a number, got much.
	# Left out: latency t: unknown stream sideways: want upstream or downstream.
	# Left out: latency t: want a share of requests, got -1.
	# Left out: slicer t: a slicer without a delay only changes the size of packets, below HTTP.
	# Left out: noise t: unknown toxic noise.
	reverse_proxy app:80
}
`,
			notes: `
proxies.json:2: api.toxics[0]: remark: a latency of 0 has no effect
proxies.json:3: api.toxics[1].attributes: left out: a rate of 0 stops all data: write hang
proxies.json:4: api.toxics[2]: left out: a slicer without a delay only changes the size of packets, below HTTP
proxies.json:5: api.toxics[3].type: left out: unknown toxic noise
proxies.json:6: api.toxics[4]: remark: a latency of 0 has no effect
proxies.json:6: api.toxics[4].attributes.latency: left out: want a number, got much
proxies.json:7: api.toxics[5]: approximate: the delay is once for each request, not for each piece of data
proxies.json:7: api.toxics[5].stream: left out: unknown stream sideways: want upstream or downstream
proxies.json:8: api.toxics[6]: approximate: the delay is once for each request, not for each piece of data
proxies.json:8: api.toxics[6].toxicity: left out: want a share of requests, got -1
`,
		},
		{
			name: "Proxies that are off, for other protocols, or not proxies.",
			file: "proxies.json",
			source: `
[{"name": "down", "listen": "0.0.0.0:8000", "upstream": "app:80", "enabled": false, "toxics": []},
 {"name": "redis", "listen": "127.0.0.1:16379", "upstream": "redis:6379", "enabled": true, "toxics": []},
 {"name": "odd", "listen": "nowhere", "upstream": "app:80", "enabled": true, "toxics": []}]
`,
			want: `
# Imported from proxies.json, 3 proxies.
# Toxicity is drawn for each request here, not for each connection.

http://:8000 {
	fault {
		point down
		close
	}
	reverse_proxy app:80
}
`,
			notes: `
proxies.json:1: [0].enabled: approximate: a proxy that is not enabled refuses connections; here each request has its connection closed
proxies.json:2: [1].upstream: left out: the proxy redis: port 6379 is for Redis, and these faults are for HTTP
proxies.json:3: [2]: left out: the proxy odd needs a host and a port as listen and as upstream
`,
		},
		{
			name: "A configuration file has no toxics.",
			file: "proxies.json",
			source: `
[{"name": "api", "listen": "localhost:8000", "upstream": "app:80", "enabled": true},
 {"name": "web", "listen": ":8001", "upstream": "web:80"}]
`,
			want: `
# Imported from proxies.json, 2 proxies.
# A configuration file has no toxics: import the answer of GET /proxies.

http://localhost:8000 {
	reverse_proxy app:80
}

http://:8001 {
	reverse_proxy web:80
}
`,
			notes: `
proxies.json:1: file: left out: the file has no toxics: ask the running Toxiproxy for GET /proxies, and import the answer
`,
		},
		{
			name: "Several proxies.",
			file: "proxies.json",
			source: `
{"cart": {"name": "cart", "listen": "127.0.0.1:8000", "upstream": "cart:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 0, "jitter": 0}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.1, "attributes": {"rate": 10}}]},
 "orders": {"name": "orders", "listen": "127.0.0.1:8001", "upstream": "orders:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 100, "jitter": 10}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.2, "attributes": {"rate": 11}}]},
 "search": {"name": "search", "listen": "127.0.0.1:8002", "upstream": "search:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 200, "jitter": 20}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.3, "attributes": {"rate": 12}}]},
 "login": {"name": "login", "listen": "127.0.0.1:8003", "upstream": "login:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 300, "jitter": 30}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.4, "attributes": {"rate": 13}}]},
 "users": {"name": "users", "listen": "127.0.0.1:8004", "upstream": "users:80", "enabled": true, "toxics": [
  {"name": "t", "type": "latency", "stream": "downstream", "toxicity": 1.0, "attributes": {"latency": 400, "jitter": 40}},
  {"name": "t", "type": "bandwidth", "stream": "upstream", "toxicity": 0.5, "attributes": {"rate": 14}}]}}
`,
			want: `
# Imported from proxies.json, 5 proxies.
# Toxicity is drawn for each request here, not for each connection.

http://127.0.0.1:8000 {
	fault {
		point cart-t
		percent 10
		throttle 10kB/s {
			request
		}
	}
	reverse_proxy cart:80
}

http://127.0.0.1:8001 {
	fault {
		point orders-t
		percent 20
		throttle 11kB/s {
			request
		}
	}
	fault {
		point orders-t-2
		phase response
		delay 90ms 110ms
	}
	reverse_proxy orders:80
}

http://127.0.0.1:8002 {
	fault {
		point search-t
		percent 30
		throttle 12kB/s {
			request
		}
	}
	fault {
		point search-t-2
		phase response
		delay 180ms 220ms
	}
	reverse_proxy search:80
}

http://127.0.0.1:8003 {
	fault {
		point login-t
		percent 40
		throttle 13kB/s {
			request
		}
	}
	fault {
		point login-t-2
		phase response
		delay 270ms 330ms
	}
	reverse_proxy login:80
}

http://127.0.0.1:8004 {
	fault {
		point users-t
		percent 50
		throttle 14kB/s {
			request
		}
	}
	fault {
		point users-t-2
		phase response
		delay 360ms 440ms
	}
	reverse_proxy users:80
}
`,
			notes: `
proxies.json:2: cart.toxics[0]: remark: a latency of 0 has no effect
proxies.json:5: orders.toxics[0]: approximate: the delay is once for each request, not for each piece of data
proxies.json:8: search.toxics[0]: approximate: the delay is once for each request, not for each piece of data
proxies.json:11: login.toxics[0]: approximate: the delay is once for each request, not for each piece of data
proxies.json:14: users.toxics[0]: approximate: the delay is once for each request, not for each piece of data
`,
		},
	})
}
