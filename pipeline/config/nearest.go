package config

import "strings"

// longestGuess is longer than any known word; what is longer was meant to be
// something else.
const longestGuess = 64

// nearest returns the known word that text was most likely meant to be, or
// nothing when none is close: one slip for short words, a third of the letters
// for long ones.
func nearest(text string, known []string) (string, bool) {
	if len(text) > longestGuess {
		return "", false
	}
	best, word := max(1, len(text)/3)+1, ""
	for _, k := range known {
		if n := distance(fold(text), fold(k)); n < best {
			best, word = n, k
		}
	}
	return word, word != ""
}

// fold makes batchItems, batch-items and batch_items one word.
func fold(text string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(text))
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour that lead from a to b.
func distance(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}
