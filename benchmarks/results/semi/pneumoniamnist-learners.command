    medtrimix run benchmarks/studies/semi.yaml --set 'name=semi-pneumoniamnist-learners' --set 'learn.label_seeds=5'
