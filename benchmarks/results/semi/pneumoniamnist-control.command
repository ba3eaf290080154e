    medtrimix run benchmarks/studies/semi.yaml --set 'name=semi-pneumoniamnist-control' --set 'learn.strategies=[finetune]' --set 'learn.label_budgets=[1.0]'
