package producer_test

import (
	"testing"

	"sluice/pipeline/producer"
)

func BenchmarkConvert(b *testing.B) {
	for name, line := range map[string]string{
		"short":  `{"user":"customer-48213","event":"purchase","timestamp":1613063089,"data":{"quantity":2,"value_usd":29.33,"title":"Kind of Blue","tags":["jazz","1959"]}}`,
		"entity": `{"type":"person","action":"event","identifiers":{"id":"customer-48213"},"name":"purchase","timestamp":1613063089,"attributes":{"quantity":2,"value_usd":29.33,"title":"Kind of Blue"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			converter := producer.NewConverter(producer.Entity, true)
			object := []byte(line)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := converter.Convert(producer.Line{N: n, Object: object}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
