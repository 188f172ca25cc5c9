package ways

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// userKeys makes n different record keys of every kind that a user ID takes in
// life, and of some that only a test thinks of. None is empty, holds a line
// break, by which the files of keys are read, or the byte 0, which no argument
// of a program can hold. The same n gives the same keys.
func userKeys(n int) []string {
	random := rand.New(rand.NewPCG(11, 10))
	kinds := []func(i int) string{
		func(i int) string { return fmt.Sprint(i) },
		func(i int) string { return fmt.Sprintf("user%d@example.com", i) },
		func(i int) string { return fmt.Sprintf("%016x-%016x", random.Uint64(), i) },
		func(i int) string { return fmt.Sprintf("companies:%d", i) },
		func(i int) string { return letters(random, 1+random.IntN(24)) + fmt.Sprint(i) },
		func(i int) string { return odd()[i%len(odd())] + fmt.Sprint(i) },
		func(i int) string { return fmt.Sprint(i) + odd()[i%len(odd())] },
		func(i int) string { return strings.Repeat(letters(random, 4), 60+random.IntN(120)) + fmt.Sprint(i) },
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = kinds[i%len(kinds)](i)
	}
	return keys
}

// letters draws from scripts whose characters take one to four bytes of UTF-8.
func letters(random *rand.Rand, n int) string {
	starts := []rune{'a', 'à', 'α', 'ж', 'א', 'ع', 'ก', 'あ', '一', '가', '😀', '𐍈'}
	var b strings.Builder
	for range n {
		b.WriteRune(starts[random.IntN(len(starts))] + rune(random.IntN(20)))
	}
	return b.String()
}

// odd are the texts that a careless reader of keys trims, splits, folds,
// normalises or takes for something else.
func odd() []string {
	return []string{
		" ", "\t", "\u00a0", "\u0085", "\u2028", "\u2029", "\v", "\f", "\x1c", "\ufeff", "\x7f",
		"-", "--", "@", "#", "%", "&", "'", `"`, `\`, `\u0041`, "/", "${HOME}", ",", ";", "=",
		"é", "e\u0301", "ı", "İ", "ß", "ﬁ", "\U0010ffff", "👩‍👩‍👧‍👦", "🇪🇺",
	}
}
