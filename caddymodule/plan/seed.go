package plan

import "encoding/json"

// withSeed returns an experiment with a seed, unless it has one.
func withSeed(experiment json.RawMessage, seed int64) json.RawMessage {
	return with(experiment, false, map[string]any{"seed": seed})
}

// with returns an experiment with more members. Without replace, members that it has stay
// as they are.
func with(experiment json.RawMessage, replace bool, members map[string]any) json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(experiment, &all) != nil || all == nil {
		return experiment // the server says what is wrong
	}
	for name, value := range members {
		if _, there := all[name]; there && !replace {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			continue // members are numbers and text
		}
		all[name] = text
	}
	text, err := json.Marshal(all)
	if err != nil {
		return experiment
	}
	return text
}

// validStatus reports whether a text is a status such as 200, or a class such as 2xx.
func validStatus(text string) bool {
	if len(text) != 3 || text[0] < '1' || text[0] > '9' {
		return false
	}
	if text[1:] == "xx" {
		return true
	}
	return text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9'
}
