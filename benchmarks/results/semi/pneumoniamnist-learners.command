    medtrimix run benchmarks/studies/semi.yaml --set 'name=semi-pneumoniamnist-learners'
